SELECT device.category AS device_type, COUNT(*) / SUM(COUNT(*)) OVER () AS share
FROM `bq-copilot-sandbox.web.sessions`
WHERE session_date BETWEEN '2026-06-01' AND '2026-06-30'
GROUP BY device_type
ORDER BY share DESC
