SELECT
  SUM(IF(order_date BETWEEN '2024-11-01' AND '2024-11-30', total, 0)) AS november_2024,
  SUM(IF(order_date BETWEEN '2025-11-01' AND '2025-11-30', total, 0)) AS november_2025
FROM `bq-copilot-sandbox.shop.orders`
WHERE status != 'cancelled'
