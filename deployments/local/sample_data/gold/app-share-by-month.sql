SELECT DATE_TRUNC(order_date, MONTH) AS month, COUNTIF(channel = 'app') / COUNT(*) AS app_share
FROM `bq-copilot-sandbox.shop.orders`
WHERE status != 'cancelled'
GROUP BY month
ORDER BY month
