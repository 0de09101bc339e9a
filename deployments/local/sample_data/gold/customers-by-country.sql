SELECT country, COUNT(*) AS customers
FROM `bq-copilot-sandbox.shop.customers`
GROUP BY country
ORDER BY customers DESC
