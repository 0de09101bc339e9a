SELECT products.name, COUNT(*) AS views
FROM `bq-copilot-sandbox.web.events` AS events
JOIN `bq-copilot-sandbox.shop.products` AS products ON products.product_id = events.product_id
WHERE events.event_name = 'view_product' AND events.event_date BETWEEN '2026-06-01' AND '2026-06-30'
GROUP BY products.name
ORDER BY views DESC
LIMIT 5
