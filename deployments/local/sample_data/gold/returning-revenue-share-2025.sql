SELECT SUM(IF(is_returning, total, 0)) / SUM(total) AS returning_share
FROM `bq-copilot-sandbox.shop.orders`
WHERE status != 'cancelled' AND order_date BETWEEN '2025-01-01' AND '2025-12-31'
