SELECT customer_id, SUM(total) AS spend
FROM `bq-copilot-sandbox.shop.orders`
WHERE status != 'cancelled'
GROUP BY customer_id
ORDER BY spend DESC
LIMIT 10
