-- One row per key that is NULL somewhere, or that several rows have.
{% test has_grain(model, columns) %}

select
    {{ columns | join(", ") }},
    count(*) as rows
from {{ model }}
group by {{ columns | join(", ") }}
having
    count(*) > 1
    {% for column in columns -%}
    or {{ column }} is null
    {% endfor %}

{% endtest %}
