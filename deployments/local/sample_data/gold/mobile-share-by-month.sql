SELECT
  DATE_TRUNC(session_date, MONTH) AS month,
  COUNTIF(device.category = 'mobile') / COUNT(*) AS mobile_share
FROM `bq-copilot-sandbox.web.sessions`
GROUP BY month
ORDER BY month
