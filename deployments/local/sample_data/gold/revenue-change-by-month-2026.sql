WITH monthly AS (
  SELECT DATE_TRUNC(order_date, MONTH) AS month, SUM(total) AS revenue
  FROM `bq-copilot-sandbox.shop.orders`
  WHERE status != 'cancelled' AND order_date >= '2025-12-01'
  GROUP BY month
), compared AS (
  SELECT month, revenue, LAG(revenue) OVER (ORDER BY month) AS before
  FROM monthly
)
SELECT month, revenue, SAFE_DIVIDE(revenue - before, before) AS change
FROM compared
WHERE month >= '2026-01-01'
ORDER BY month
