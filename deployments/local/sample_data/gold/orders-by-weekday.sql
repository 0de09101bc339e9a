SELECT FORMAT_DATE('%A', order_date) AS weekday, COUNT(*) AS orders
FROM `bq-copilot-sandbox.shop.orders`
WHERE status != 'cancelled'
GROUP BY weekday
ORDER BY orders DESC
