SELECT reason, COUNT(*) AS refunds
FROM `bq-copilot-sandbox.shop.refunds`
WHERE refund_date BETWEEN '2025-01-01' AND '2025-12-31'
GROUP BY reason
ORDER BY refunds DESC
