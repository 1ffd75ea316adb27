"""What HydroServer's clients send of each resource, and what of it is kept: fields by their names on the wire, checked. Pure.

Before: routes have a JSON object. After: documents.py keeps what checked() answers. Fields that are not listed here are passed over, as
HydroServer does; those that are worked out (valueCount, phenomenonEndTime, ...) are not kept.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat
from pydantic.alias_generators import to_camel

from api.request import parsed

Text255 = Annotated[str, Field(max_length=255)]
Text200 = Annotated[str, Field(max_length=200)]
Span = Literal["seconds", "minutes", "hours", "days"]


class Fields(BaseModel):
    """SYNONYMS: names that some client sends by mistake."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, str_strip_whitespace=True, protected_namespaces=()
    )  # fmt: skip
    SYNONYMS: ClassVar[Mapping[str, str]] = {}


class Workspace(Fields):
    name: Text255 = Field(min_length=1)
    is_private: bool


class Tag(Fields):
    key: Text255 = Field(min_length=1)
    value: Text255


class Location(Fields):
    SYNONYMS = {"elevationM": "elevation_m"}
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    elevation_m: float | None = Field(None, ge=-99999, le=99999, alias="elevation_m")
    elevation_datum: Text255 | None = None
    admin_area_1: Text200 | None = Field(None, alias="adminArea1")
    admin_area_2: Text200 | None = Field(None, alias="adminArea2")
    country: str | None = Field(None, pattern="^[A-Za-z]{2}$", description="ISO 3166-1 alpha-2")


class Thing(Fields):
    name: Text200 = Field(min_length=1)
    description: str
    sampling_feature_type: Text200
    sampling_feature_code: Text200
    site_type: Text200
    data_disclaimer: str | None = None
    is_private: bool


class ObservedProperty(Fields):
    SYNONYMS = {"observedPropertyType": "type", "observed_property_type": "type"}
    name: Text255 = Field(min_length=1)
    definition: str
    description: str
    type: Text255
    code: Text255


class Unit(Fields):
    SYNONYMS = {"unitType": "type", "unit_type": "type"}
    name: Text255 = Field(min_length=1)
    symbol: Text255
    definition: str
    type: Text255


class Sensor(Fields):
    SYNONYMS = {"sensorModel": "model", "sensor_model": "model", "sensorModelLink": "modelLink", "sensor_model_link": "modelLink"}
    name: Text255 = Field(min_length=1)
    description: str
    encoding_type: Text255
    manufacturer: Text255 | None = None
    model: Text255 | None = None
    model_link: str | None = Field(None, max_length=500)
    method_type: str = Field(max_length=100)
    method_link: str | None = Field(None, max_length=500)
    method_code: str | None = Field(None, max_length=50)


class ProcessingLevel(Fields):
    code: Text255 = Field(min_length=1)
    definition: str | None = None
    explanation: str | None = None


class ResultQualifier(Fields):
    code: Text255 = Field(min_length=1)
    description: str


class Datastream(Fields):
    name: Text255 = Field(min_length=1)
    description: str
    observation_type: Text255
    sampled_medium: Text255
    no_data_value: FiniteFloat
    aggregation_statistic: Text255
    time_aggregation_interval: FiniteFloat
    time_aggregation_interval_unit: Span
    status: Text255 | None = None
    result_type: Text255
    is_private: bool = False
    is_visible: bool = True
    intended_time_spacing: FiniteFloat | None = None
    intended_time_spacing_unit: Span | None = None


class ApiKey(Fields):
    name: Text255 = Field(min_length=1)
    description: str | None = None
    is_active: bool = True
    expires_at: str | None = None


def checked(model: type[Fields], said: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All fields by their names on the wire: what is said, else what was before, else the default. Incorrect names the first bad one."""
    names = names_of(model)
    kept = {name: value for name, value in (before or {}).items() if name in names.values()}
    found = parsed(model, kept | {names[name]: value for name, value in said.items() if name in names})
    return found.model_dump(by_alias=True)


def names_of(model: type[Fields]) -> dict[str, str]:
    """Each name that a client may use, in camelCase, snake_case or by mistake, with the wire's."""
    found = dict(model.SYNONYMS)
    for name, field in model.model_fields.items():
        wire = field.alias or to_camel(name)
        found |= {name: wire, wire: wire}
    return found
