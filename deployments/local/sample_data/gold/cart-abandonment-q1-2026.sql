WITH carts AS (
  SELECT sessions.session_id, LOGICAL_OR(events.event_name = 'purchase') AS bought
  FROM `bq-copilot-sandbox.web.sessions` AS sessions
  JOIN `bq-copilot-sandbox.web.events` AS events ON events.session_id = sessions.session_id
  WHERE sessions.session_date BETWEEN '2026-01-01' AND '2026-03-31'
  GROUP BY sessions.session_id
  HAVING LOGICAL_OR(events.event_name = 'add_to_cart')
)
SELECT COUNTIF(NOT bought) / COUNT(*) AS abandonment_rate
FROM carts
