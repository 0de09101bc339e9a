SELECT landing_page, COUNT(*) AS sessions
FROM `bq-copilot-sandbox.web.sessions`
WHERE session_date BETWEEN '2025-01-01' AND '2025-12-31'
GROUP BY landing_page
ORDER BY sessions DESC
LIMIT 5
