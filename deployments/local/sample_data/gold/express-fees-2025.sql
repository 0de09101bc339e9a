SELECT SUM(shipping.cost) AS express_fees
FROM `bq-copilot-sandbox.shop.orders`
WHERE shipping.method = 'express' AND status != 'cancelled'
  AND order_date BETWEEN '2025-01-01' AND '2025-12-31'
