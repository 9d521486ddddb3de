-- One row per day whose new and returning customers are not all who ordered.

with

ordered as (

    select
        date,
        count(distinct customer_id) as customers
    from {{ source('cleaned', 'orders') }}
    where not is_void
    group by date

)

select mart.date
from {{ ref('customers_to_date') }} as mart
left join ordered using (date)
where
    mart.region = 'all'
    and mart.new_customers + mart.returning_customers <> coalesce(ordered.customers, 0)
