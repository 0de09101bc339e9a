SELECT traffic.source AS source, COUNTIF(is_bounce) / COUNT(*) AS bounce_rate
FROM `bq-copilot-sandbox.web.sessions`
WHERE session_date BETWEEN '2026-01-01' AND '2026-12-31'
GROUP BY traffic.source
ORDER BY bounce_rate DESC
