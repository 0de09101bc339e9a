SELECT COUNT(DISTINCT customer_id) AS customers
FROM `bq-copilot-sandbox.shop.orders`
WHERE status != 'cancelled' AND order_date BETWEEN '2025-01-01' AND '2025-12-31'
