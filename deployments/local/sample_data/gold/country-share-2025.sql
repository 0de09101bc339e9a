SELECT country, SUM(total) / SUM(SUM(total)) OVER () AS share
FROM `bq-copilot-sandbox.shop.orders`
WHERE status != 'cancelled' AND order_date BETWEEN '2025-01-01' AND '2025-12-31'
GROUP BY country
ORDER BY share DESC
