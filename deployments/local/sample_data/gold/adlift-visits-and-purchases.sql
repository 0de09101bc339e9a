SELECT
  COUNT(DISTINCT sessions.session_id) AS visits,
  COUNT(DISTINCT IF(events.event_name = 'purchase', sessions.session_id, NULL)) AS visits_with_purchase
FROM `bq-copilot-sandbox.web.sessions` AS sessions
JOIN `bq-copilot-sandbox.web.events` AS events ON events.session_id = sessions.session_id
WHERE sessions.traffic.source = 'adlift'
