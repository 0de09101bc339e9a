SELECT DATE_TRUNC(order_date, ISOWEEK) AS week, COUNT(*) AS orders
FROM `bq-copilot-sandbox.shop.orders`
WHERE status != 'cancelled' AND order_date BETWEEN '2026-01-01' AND '2026-03-31'
GROUP BY week
ORDER BY week
