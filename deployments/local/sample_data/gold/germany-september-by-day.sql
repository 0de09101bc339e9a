SELECT order_date, COUNT(*) AS orders
FROM `bq-copilot-sandbox.shop.orders`
WHERE country = 'DE' AND status != 'cancelled' AND order_date BETWEEN '2025-09-01' AND '2025-09-30'
GROUP BY order_date
ORDER BY order_date
