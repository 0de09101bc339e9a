SELECT SUM(total) AS revenue
FROM `bq-copilot-sandbox.shop.orders`
WHERE status != 'cancelled' AND EXTRACT(YEAR FROM order_date) = 2025
