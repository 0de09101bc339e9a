SELECT customers.acquisition_channel, SUM(orders.total) AS revenue
FROM `bq-copilot-sandbox.shop.orders` AS orders
JOIN `bq-copilot-sandbox.shop.customers` AS customers ON customers.customer_id = orders.customer_id
WHERE orders.status != 'cancelled'
GROUP BY customers.acquisition_channel
ORDER BY revenue DESC
