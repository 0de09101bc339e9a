SELECT EXTRACT(HOUR FROM order_ts) AS hour, COUNT(*) AS orders
FROM `bq-copilot-sandbox.shop.orders`
WHERE status != 'cancelled' AND order_date BETWEEN '2025-01-01' AND '2025-12-31'
GROUP BY hour
ORDER BY hour
