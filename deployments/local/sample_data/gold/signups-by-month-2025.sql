SELECT DATE_TRUNC(signup_date, MONTH) AS month, COUNT(*) AS customers
FROM `bq-copilot-sandbox.shop.customers`
WHERE signup_date BETWEEN '2025-01-01' AND '2025-12-31'
GROUP BY month
ORDER BY month
