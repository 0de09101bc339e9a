SELECT DATE_TRUNC(order_date, MONTH) AS month, COUNTIF(is_returning) / COUNT(*) AS returning_share
FROM `bq-copilot-sandbox.shop.orders`
WHERE status != 'cancelled'
GROUP BY month
ORDER BY month
