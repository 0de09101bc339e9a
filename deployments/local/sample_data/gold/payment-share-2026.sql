SELECT payment.method AS method, COUNT(*) / SUM(COUNT(*)) OVER () AS share
FROM `bq-copilot-sandbox.shop.orders`
WHERE status != 'cancelled' AND order_date BETWEEN '2026-01-01' AND '2026-06-30'
GROUP BY method
ORDER BY share DESC
