SELECT customers.segment, AVG(orders.total) AS average_order_value
FROM `bq-copilot-sandbox.shop.orders` AS orders
JOIN `bq-copilot-sandbox.shop.customers` AS customers ON customers.customer_id = orders.customer_id
WHERE orders.status != 'cancelled' AND orders.order_date BETWEEN '2025-01-01' AND '2025-12-31'
GROUP BY customers.segment
ORDER BY customers.segment
