SELECT customers.segment, SUM(item.quantity) / COUNT(DISTINCT orders.order_id) AS units_per_order
FROM `bq-copilot-sandbox.shop.orders` AS orders
CROSS JOIN UNNEST(orders.items) AS item
JOIN `bq-copilot-sandbox.shop.customers` AS customers ON customers.customer_id = orders.customer_id
WHERE orders.status != 'cancelled'
GROUP BY customers.segment
ORDER BY customers.segment
