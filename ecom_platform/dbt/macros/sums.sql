{# The KPIs of several days that are sums, out of daily ones: of the days that are there. #}
{% macro sums_of_days() -%}
    count(total_revenue) as revenue_days,
        count(total_orders) as order_days,
        cast(sum(total_revenue) as decimal(38, 2)) as total_revenue,
        cast(sum(total_orders) as bigint) as total_orders,
        cast(sum(void_orders) as bigint) as void_orders,
        -- Of the days with both: revenue of a day without orders would be nobody's.
        cast(sum(total_revenue) filter (where total_orders is not null) as double)
        / nullif(sum(total_orders) filter (where total_revenue is not null), 0)
            as average_order_value
{%- endmacro %}
