SELECT device.category AS device_type, AVG(pages_viewed) AS pages_per_session
FROM `bq-copilot-sandbox.web.sessions`
GROUP BY device_type
ORDER BY pages_per_session DESC
