SELECT COUNT(*) AS customers
FROM (
  SELECT customer_id
  FROM `bq-copilot-sandbox.shop.orders`
  WHERE status != 'cancelled'
  GROUP BY customer_id
  HAVING COUNT(*) >= 5
)
