WITH buyers AS (
  SELECT DISTINCT session_id
  FROM `bq-copilot-sandbox.web.events`
  WHERE event_name = 'purchase'
)
SELECT sessions.traffic.source AS source, COUNT(buyers.session_id) / COUNT(*) AS conversion_rate
FROM `bq-copilot-sandbox.web.sessions` AS sessions
LEFT JOIN buyers ON buyers.session_id = sessions.session_id
GROUP BY source
ORDER BY conversion_rate DESC
