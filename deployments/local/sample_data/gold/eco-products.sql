SELECT COUNT(*) AS products
FROM `bq-copilot-sandbox.shop.products`
WHERE 'eco' IN UNNEST(tags)
