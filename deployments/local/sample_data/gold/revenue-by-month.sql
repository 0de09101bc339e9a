SELECT DATE_TRUNC(order_date, MONTH) AS month, SUM(total) AS revenue
FROM `bq-copilot-sandbox.shop.orders`
WHERE status != 'cancelled'
GROUP BY month
ORDER BY month
