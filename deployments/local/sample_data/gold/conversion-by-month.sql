WITH buyers AS (
  SELECT DISTINCT session_id
  FROM `bq-copilot-sandbox.web.events`
  WHERE event_name = 'purchase'
)
SELECT
  DATE_TRUNC(sessions.session_date, MONTH) AS month,
  COUNT(buyers.session_id) / COUNT(*) AS conversion_rate
FROM `bq-copilot-sandbox.web.sessions` AS sessions
LEFT JOIN buyers ON buyers.session_id = sessions.session_id
GROUP BY month
ORDER BY month
