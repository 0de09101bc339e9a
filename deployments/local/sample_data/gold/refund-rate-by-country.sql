SELECT orders.country, COUNT(refunds.refund_id) / COUNT(*) AS refund_rate
FROM `bq-copilot-sandbox.shop.orders` AS orders
LEFT JOIN `bq-copilot-sandbox.shop.refunds` AS refunds ON refunds.order_id = orders.order_id
WHERE orders.status != 'cancelled'
GROUP BY orders.country
ORDER BY refund_rate DESC
