WITH buyers AS (
  SELECT DISTINCT session_id
  FROM `bq-copilot-sandbox.web.events`
  WHERE event_name = 'purchase'
)
SELECT sessions.device.category AS device_type, COUNT(buyers.session_id) / COUNT(*) AS conversion_rate
FROM `bq-copilot-sandbox.web.sessions` AS sessions
LEFT JOIN buyers ON buyers.session_id = sessions.session_id
WHERE sessions.session_date BETWEEN '2026-01-01' AND '2026-06-30'
GROUP BY device_type
ORDER BY conversion_rate DESC
