SELECT DATE_TRUNC(orders.order_date, MONTH) AS month, SUM(item.quantity) AS units
FROM `bq-copilot-sandbox.shop.orders` AS orders
CROSS JOIN UNNEST(orders.items) AS item
WHERE orders.status != 'cancelled' AND item.category = 'Toys'
GROUP BY month
ORDER BY month
