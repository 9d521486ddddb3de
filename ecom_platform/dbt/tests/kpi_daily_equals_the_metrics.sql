-- One row per day and region whose KPIs are not those of the metrics, or NULL where one has none.

{% for metric in ("total_revenue", "total_orders", "total_customers") -%}
    select
        kpis.date,
        kpis.region,
        '{{ metric }}' as metric
    from {{ ref('kpi_daily') }} as kpis
    left join {{ source('metrics', metric) }} as metrics using (date, region)
    where
        kpis.{{ metric }} is distinct from if(
            kpis.date in (select date from {{ source('metrics', metric) }}),
            coalesce(metrics.{{ metric }}, 0),
            null
        )
    {{ "union all" if not loop.last }}
{% endfor %}
