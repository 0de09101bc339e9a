SELECT DATE_TRUNC(refund_date, MONTH) AS month, SUM(amount) AS refunded
FROM `bq-copilot-sandbox.shop.refunds`
GROUP BY month
ORDER BY month
