SELECT AVG(DATE_DIFF(refunds.refund_date, orders.order_date, DAY)) AS days
FROM `bq-copilot-sandbox.shop.refunds` AS refunds
JOIN `bq-copilot-sandbox.shop.orders` AS orders ON orders.order_id = refunds.order_id
