SELECT event_name, COUNT(DISTINCT session_id) AS sessions
FROM `bq-copilot-sandbox.web.events`
WHERE event_date BETWEEN '2026-05-01' AND '2026-05-31'
GROUP BY event_name
ORDER BY sessions DESC
