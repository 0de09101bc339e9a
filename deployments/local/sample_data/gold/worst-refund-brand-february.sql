SELECT products.brand, COUNT(DISTINCT refunds.order_id) AS refunded_orders
FROM `bq-copilot-sandbox.shop.refunds` AS refunds
JOIN `bq-copilot-sandbox.shop.orders` AS orders ON orders.order_id = refunds.order_id
CROSS JOIN UNNEST(orders.items) AS item
JOIN `bq-copilot-sandbox.shop.products` AS products ON products.product_id = item.product_id
WHERE refunds.refund_date BETWEEN '2026-02-01' AND '2026-02-28'
GROUP BY products.brand
ORDER BY refunded_orders DESC
LIMIT 1
