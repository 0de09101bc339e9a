SELECT DATE_TRUNC(order_date, MONTH) AS month, AVG(total) AS average_order_value
FROM `bq-copilot-sandbox.shop.orders`
WHERE status != 'cancelled' AND order_date BETWEEN '2025-01-01' AND '2025-12-31'
GROUP BY month
ORDER BY month
