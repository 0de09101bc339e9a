SELECT
  country,
  SAFE_DIVIDE(
    SUM(IF(order_date BETWEEN '2026-01-01' AND '2026-06-30', total, 0)),
    SUM(IF(order_date BETWEEN '2025-01-01' AND '2025-06-30', total, 0))
  ) - 1 AS growth
FROM `bq-copilot-sandbox.shop.orders`
WHERE status != 'cancelled'
GROUP BY country
ORDER BY growth DESC
