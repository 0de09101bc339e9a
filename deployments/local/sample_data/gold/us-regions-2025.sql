SELECT region, SUM(total) AS revenue
FROM `bq-copilot-sandbox.shop.orders`
WHERE country = 'US' AND status != 'cancelled' AND order_date BETWEEN '2025-01-01' AND '2025-12-31'
GROUP BY region
ORDER BY revenue DESC
LIMIT 3
