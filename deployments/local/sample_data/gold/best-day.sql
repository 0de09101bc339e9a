SELECT order_date, SUM(total) AS revenue
FROM `bq-copilot-sandbox.shop.orders`
WHERE status != 'cancelled'
GROUP BY order_date
ORDER BY revenue DESC
LIMIT 1
