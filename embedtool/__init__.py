"""embedtool: index a folder of photos, then search it by picture.

Every public name is imported when it is first used, so `import embedtool` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embedtool.backbones.library import import_model as import_model
    from embedtool.backbones.library import known_models as known_models
    from embedtool.backbones.library import model_info as model_info
    from embedtool.backbones.resolve import Backbone as Backbone
    from embedtool.backbones.resolve import load_backbone as load_backbone
    from embedtool.bench import BenchReport as BenchReport
    from embedtool.bench import BenchRow as BenchRow
    from embedtool.bench import run_bench as run_bench
    from embedtool.clustering import cluster_index as cluster_index
    from embedtool.clustering import write_members as write_members
    from embedtool.compaction import CompactReport as CompactReport
    from embedtool.compaction import compact_index as compact_index
    from embedtool.comparing import compare_indexes as compare_indexes
    from embedtool.comparison import Comparison as Comparison
    from embedtool.decode import decode_image as decode_image
    from embedtool.deduplicate import find_duplicates as find_duplicates
    from embedtool.demo import DemoResult as DemoResult
    from embedtool.demo import run_demo as run_demo
    from embedtool.embed import Embedder as Embedder
    from embedtool.embed import MeanColourEmbedder as MeanColourEmbedder
    from embedtool.embed import NetworkEmbedder as NetworkEmbedder
    from embedtool.errors import EmbedtoolError as EmbedtoolError
    from embedtool.errors import ImageRejected as ImageRejected
    from embedtool.errors import IndexDamaged as IndexDamaged
    from embedtool.errors import IndexLocked as IndexLocked
    from embedtool.errors import IndexTooNew as IndexTooNew
    from embedtool.errors import ModelMismatch as ModelMismatch
    from embedtool.errors import ModelOffline as ModelOffline
    from embedtool.errors import ModelUnavailable as ModelUnavailable
    from embedtool.errors import NotAnIndex as NotAnIndex
    from embedtool.errors import PhotosMissing as PhotosMissing
    from embedtool.errors import TooManyRejects as TooManyRejects
    from embedtool.errors import UsageError as UsageError
    from embedtool.export.exporting import ExportReport as ExportReport
    from embedtool.export.exporting import export_index as export_index
    from embedtool.finetune.finetuning import finetune_model as finetune_model
    from embedtool.finetune.measuring import FinetuneBenchReport as FinetuneBenchReport
    from embedtool.finetune.measuring import run_finetune_bench as run_finetune_bench
    from embedtool.finetune.outcome import FinetuneReport as FinetuneReport
    from embedtool.finetune.settings import FinetuneSettings as FinetuneSettings
    from embedtool.finetune.settings import read_settings as read_settings
    from embedtool.finetune.tuning import tune_model as tune_model
    from embedtool.gathering import gather_clusters as gather_clusters
    from embedtool.gathering import gather_duplicates as gather_duplicates
    from embedtool.importing.importing import ImportReport as ImportReport
    from embedtool.importing.importing import import_vectors as import_vectors
    from embedtool.indexing import default_index as default_index
    from embedtool.indexing import index_photos as index_photos
    from embedtool.inspection import DeepCheck as DeepCheck
    from embedtool.inspection import deep_verify_index as deep_verify_index
    from embedtool.inspection import doctor_index as doctor_index
    from embedtool.inspection import index_info as index_info
    from embedtool.inspection import index_rejects as index_rejects
    from embedtool.inspection import verify_index as verify_index
    from embedtool.mapping import map_index as map_index
    from embedtool.mapping import map_points as map_points
    from embedtool.mapping import write_coordinates as write_coordinates
    from embedtool.maps import Map as Map
    from embedtool.metrics import Estimate as Estimate
    from embedtool.metrics import Evaluation as Evaluation
    from embedtool.metrics import evaluate as evaluate
    from embedtool.metrics import paired_difference as paired_difference
    from embedtool.outliers import find_outliers as find_outliers
    from embedtool.pictures import draw_photos as draw_photos
    from embedtool.pipeline import embed_photos as embed_photos
    from embedtool.predicting import Predictions as Predictions
    from embedtool.predicting import ProbeEvaluation as ProbeEvaluation
    from embedtool.predicting import evaluate_probe as evaluate_probe
    from embedtool.predicting import predict_images as predict_images
    from embedtool.predicting import write_predictions as write_predictions
    from embedtool.probing import ProbeReport as ProbeReport
    from embedtool.probing import train_probe as train_probe
    from embedtool.querying import search_photos as search_photos
    from embedtool.relocate import move_duplicates as move_duplicates
    from embedtool.relocate import plan_moves as plan_moves
    from embedtool.relocate import undo_moves as undo_moves
    from embedtool.report.clusters_page import write_clusters_page as write_clusters_page
    from embedtool.report.clusters_png import write_clusters_png as write_clusters_png
    from embedtool.report.comparison_page import write_comparison_page as write_comparison_page
    from embedtool.report.duplicates_page import write_duplicates_page as write_duplicates_page
    from embedtool.report.evaluation_page import write_evaluation_page as write_evaluation_page
    from embedtool.report.map_page import write_map_page as write_map_page
    from embedtool.report.map_png import write_map_png as write_map_png
    from embedtool.report.search_page import write_search_page as write_search_page
    from embedtool.report.tuning_page import write_tuning_page as write_tuning_page
    from embedtool.searchbench import SearchBenchReport as SearchBenchReport
    from embedtool.searchbench import SearchBenchRow as SearchBenchRow
    from embedtool.searchbench import run_search_bench as run_search_bench
    from embedtool.store import Index as Index
    from embedtool.types import Certificate as Certificate
    from embedtool.types import Cluster as Cluster
    from embedtool.types import ClusterReport as ClusterReport
    from embedtool.types import DuplicateGroup as DuplicateGroup
    from embedtool.types import Duplicates as Duplicates
    from embedtool.types import IndexReport as IndexReport
    from embedtool.types import Match as Match
    from embedtool.types import Member as Member
    from embedtool.types import Mistake as Mistake
    from embedtool.types import Outlier as Outlier
    from embedtool.types import QueryMatches as QueryMatches
    from embedtool.types import Recipe as Recipe
    from embedtool.types import Reject as Reject
    from embedtool.types import TuneReport as TuneReport
    from embedtool.types import TuneTrial as TuneTrial

_ROOMS = {
    "backbones.library": "import_model known_models model_info",
    "backbones.resolve": "Backbone load_backbone",
    "bench": "BenchReport BenchRow run_bench",
    "clustering": "cluster_index write_members",
    "compaction": "CompactReport compact_index",
    "comparing": "compare_indexes",
    "comparison": "Comparison",
    "decode": "decode_image",
    "deduplicate": "find_duplicates",
    "demo": "DemoResult run_demo",
    "embed": "Embedder MeanColourEmbedder NetworkEmbedder",
    "errors": "EmbedtoolError ImageRejected IndexDamaged IndexLocked IndexTooNew ModelMismatch "
    "ModelOffline ModelUnavailable NotAnIndex PhotosMissing TooManyRejects UsageError",
    "export.exporting": "ExportReport export_index",
    "finetune.finetuning": "finetune_model",
    "finetune.measuring": "FinetuneBenchReport run_finetune_bench",
    "finetune.outcome": "FinetuneReport",
    "finetune.settings": "FinetuneSettings read_settings",
    "finetune.tuning": "tune_model",
    "gathering": "gather_clusters gather_duplicates",
    "importing.importing": "ImportReport import_vectors",
    "indexing": "default_index index_photos",
    "inspection": "DeepCheck deep_verify_index doctor_index index_info index_rejects verify_index",
    "mapping": "map_index map_points write_coordinates",
    "maps": "Map",
    "metrics": "Estimate Evaluation evaluate paired_difference",
    "outliers": "find_outliers",
    "pictures": "draw_photos",
    "pipeline": "embed_photos",
    "predicting": "Predictions ProbeEvaluation evaluate_probe predict_images write_predictions",
    "probing": "ProbeReport train_probe",
    "querying": "search_photos",
    "relocate": "move_duplicates plan_moves undo_moves",
    "report.clusters_page": "write_clusters_page",
    "report.clusters_png": "write_clusters_png",
    "report.comparison_page": "write_comparison_page",
    "report.duplicates_page": "write_duplicates_page",
    "report.evaluation_page": "write_evaluation_page",
    "report.map_page": "write_map_page",
    "report.map_png": "write_map_png",
    "report.search_page": "write_search_page",
    "report.tuning_page": "write_tuning_page",
    "searchbench": "SearchBenchReport SearchBenchRow run_search_bench",
    "store": "Index",
    "types": "Certificate Cluster ClusterReport DuplicateGroup Duplicates IndexReport Match "
    "Member Mistake Outlier QueryMatches Recipe Reject TuneReport TuneTrial",
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names.split()}
__all__ = sorted(_ROOM_OF)


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'embedtool' has no attribute {name!r}")
    return getattr(import_module(f"embedtool.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
