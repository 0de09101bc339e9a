WITH days AS (
  SELECT day FROM UNNEST(GENERATE_DATE_ARRAY('2025-09-01', '2025-09-30')) AS day
), daily AS (
  SELECT order_date, COUNT(*) AS orders
  FROM `bq-copilot-sandbox.shop.orders`
  WHERE country = 'DE' AND channel IN ('web', 'app') AND status != 'cancelled'
    AND order_date BETWEEN '2025-09-01' AND '2025-09-30'
  GROUP BY order_date
)
SELECT days.day, COALESCE(daily.orders, 0) AS orders
FROM days
LEFT JOIN daily ON daily.order_date = days.day
ORDER BY orders, days.day
