from lvef.api import EchoResult as EchoResult
from lvef.api import load_measurer as load_measurer
from lvef.api import measure as measure
from lvef.api import measure_biplane as measure_biplane
from lvef.api import measure_stills as measure_stills
from lvef.api import measure_study as measure_study
from lvef.api import read_clip as read_clip
from lvef.api import to_dataframe as to_dataframe
from lvef.core.errors import LvefError as LvefError
from lvef.core.errors import QualityRefusal as QualityRefusal
from lvef.core.records import Measurement as Measurement
from lvef.io.open import sample_cine as sample_cine
from lvef.measure.options import MeasureOptions as MeasureOptions

__version__: str
