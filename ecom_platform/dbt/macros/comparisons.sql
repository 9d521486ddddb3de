{# The KPIs that are compared with earlier ones. #}
{% macro kpis() -%}
    {{ return([
        "total_revenue", "total_orders", "void_orders", "total_customers",
        "average_order_value", "customer_retention_rate",
    ]) }}
{%- endmacro %}

{# Columns `<kpi>_<name>` of every KPI, out of the relation `<name>`. #}
{% macro compared_with(name) -%}
    {% for kpi in kpis() -%}
        "{{ name }}".{{ kpi }} as {{ kpi }}_{{ name }}{{ "," if not loop.last }}
    {% endfor %}
{%- endmacro %}
