SELECT channel, COUNTIF(status = 'cancelled') / COUNT(*) AS cancelled_share
FROM `bq-copilot-sandbox.shop.orders`
GROUP BY channel
ORDER BY cancelled_share DESC
