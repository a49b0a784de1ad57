"""embedtool: index a folder of photos, then search it by picture.

Every public name is imported when it is first used, so `import embedtool` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embedtool.classification.bootstrap import Estimate as Estimate
    from embedtool.classification.bootstrap import paired_difference as paired_difference
    from embedtool.classification.compare_indexes import compare_indexes as compare_indexes
    from embedtool.classification.compare_vectors import Comparison as Comparison
    from embedtool.classification.evaluate import ProbeEvaluation as ProbeEvaluation
    from embedtool.classification.evaluate import evaluate_probe as evaluate_probe
    from embedtool.classification.metrics import Evaluation as Evaluation
    from embedtool.classification.metrics import evaluate as evaluate
    from embedtool.classification.mistakes import Mistake as Mistake
    from embedtool.classification.predict import Predictions as Predictions
    from embedtool.classification.predict import predict_images as predict_images
    from embedtool.classification.predict import write_predictions as write_predictions
    from embedtool.classification.train import ProbeReport as ProbeReport
    from embedtool.classification.train import train_probe as train_probe
    from embedtool.collection.benchmark import run_bench as run_bench
    from embedtool.collection.compact import compact_index as compact_index
    from embedtool.collection.index_photos import default_index as default_index
    from embedtool.collection.index_photos import index_photos as index_photos
    from embedtool.collection.inspect import deep_verify_index as deep_verify_index
    from embedtool.collection.inspect import doctor_index as doctor_index
    from embedtool.collection.inspect import index_info as index_info
    from embedtool.collection.inspect import index_rejects as index_rejects
    from embedtool.collection.inspect import verify_index as verify_index
    from embedtool.collection.query import search_photos as search_photos
    from embedtool.collection.results import BenchReport as BenchReport
    from embedtool.collection.results import BenchRow as BenchRow
    from embedtool.collection.results import CompactReport as CompactReport
    from embedtool.collection.results import DeepCheck as DeepCheck
    from embedtool.collection.results import IndexReport as IndexReport
    from embedtool.core.types import Recipe as Recipe
    from embedtool.core.types import Reject as Reject
    from embedtool.demo import DemoResult as DemoResult
    from embedtool.demo import run_demo as run_demo
    from embedtool.duplicates.duplicate_folders import (
        write_duplicate_folders as write_duplicate_folders,
    )
    from embedtool.duplicates.find_duplicates import find_duplicates as find_duplicates
    from embedtool.duplicates.move_files import move_duplicates as move_duplicates
    from embedtool.duplicates.move_files import plan_moves as plan_moves
    from embedtool.duplicates.move_files import undo_moves as undo_moves
    from embedtool.duplicates.results import DuplicateGroup as DuplicateGroup
    from embedtool.duplicates.results import Duplicates as Duplicates
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
    from embedtool.explore.cluster_folders import write_cluster_folders as write_cluster_folders
    from embedtool.explore.clusters import cluster_index as cluster_index
    from embedtool.explore.clusters import write_members as write_members
    from embedtool.explore.map import map_index as map_index
    from embedtool.explore.map import map_points as map_points
    from embedtool.explore.map import write_coordinates as write_coordinates
    from embedtool.explore.outliers import find_outliers as find_outliers
    from embedtool.explore.results import Cluster as Cluster
    from embedtool.explore.results import ClusterReport as ClusterReport
    from embedtool.explore.results import Map as Map
    from embedtool.explore.results import Member as Member
    from embedtool.explore.results import Outlier as Outlier
    from embedtool.finetune.benchmark import FinetuneBenchReport as FinetuneBenchReport
    from embedtool.finetune.benchmark import run_finetune_bench as run_finetune_bench
    from embedtool.finetune.report import FinetuneReport as FinetuneReport
    from embedtool.finetune.run import finetune_model as finetune_model
    from embedtool.finetune.settings import FinetuneSettings as FinetuneSettings
    from embedtool.finetune.settings import read_settings as read_settings
    from embedtool.finetune.tune import tune_model as tune_model
    from embedtool.finetune.tune_report import TuneReport as TuneReport
    from embedtool.finetune.tune_report import TuneTrial as TuneTrial
    from embedtool.images.decode import decode_image as decode_image
    from embedtool.images.drawn import draw_photos as draw_photos
    from embedtool.interchange.export import ExportReport as ExportReport
    from embedtool.interchange.export import export_index as export_index
    from embedtool.interchange.import_vectors import ImportReport as ImportReport
    from embedtool.interchange.import_vectors import import_vectors as import_vectors
    from embedtool.models.backbone import Backbone as Backbone
    from embedtool.models.backbone import load_backbone as load_backbone
    from embedtool.models.embed_files import embed_photos as embed_photos
    from embedtool.models.embedder import Embedder as Embedder
    from embedtool.models.embedder import MeanColourEmbedder as MeanColourEmbedder
    from embedtool.models.embedder import NetworkEmbedder as NetworkEmbedder
    from embedtool.models.library import import_model as import_model
    from embedtool.models.library import known_models as known_models
    from embedtool.models.library import model_info as model_info
    from embedtool.report.clusters_page import write_clusters_page as write_clusters_page
    from embedtool.report.clusters_png import write_clusters_png as write_clusters_png
    from embedtool.report.comparison_page import write_comparison_page as write_comparison_page
    from embedtool.report.duplicates_page import write_duplicates_page as write_duplicates_page
    from embedtool.report.evaluation_page import write_evaluation_page as write_evaluation_page
    from embedtool.report.map_page import write_map_page as write_map_page
    from embedtool.report.map_png import write_map_png as write_map_png
    from embedtool.report.search_page import write_search_page as write_search_page
    from embedtool.report.tuning_page import write_tuning_page as write_tuning_page
    from embedtool.search.benchmark import run_search_bench as run_search_bench
    from embedtool.search.recall_certificate import Certificate as Certificate
    from embedtool.search.results import Match as Match
    from embedtool.search.results import QueryMatches as QueryMatches
    from embedtool.search.results import SearchBenchReport as SearchBenchReport
    from embedtool.search.results import SearchBenchRow as SearchBenchRow
_MODULES = {
    "classification.bootstrap": "Estimate paired_difference",
    "classification.compare_indexes": "compare_indexes",
    "classification.compare_vectors": "Comparison",
    "classification.evaluate": "ProbeEvaluation evaluate_probe",
    "classification.metrics": "Evaluation evaluate",
    "classification.mistakes": "Mistake",
    "classification.predict": "Predictions predict_images write_predictions",
    "classification.train": "ProbeReport train_probe",
    "collection.benchmark": "run_bench",
    "collection.compact": "compact_index",
    "collection.index_photos": "default_index index_photos",
    "collection.inspect": "deep_verify_index doctor_index index_info index_rejects verify_index",
    "collection.query": "search_photos",
    "collection.results": "BenchReport BenchRow CompactReport DeepCheck IndexReport",
    "duplicates.duplicate_folders": "write_duplicate_folders",
    "explore.cluster_folders": "write_cluster_folders",
    "core.types": "Recipe Reject",
    "demo": "DemoResult run_demo",
    "duplicates.find_duplicates": "find_duplicates",
    "duplicates.move_files": "move_duplicates plan_moves undo_moves",
    "duplicates.results": "DuplicateGroup Duplicates",
    "errors": "EmbedtoolError ImageRejected IndexDamaged IndexLocked IndexTooNew "
    "ModelMismatch ModelOffline ModelUnavailable NotAnIndex PhotosMissing "
    "TooManyRejects UsageError",
    "explore.clusters": "cluster_index write_members",
    "explore.map": "map_index map_points write_coordinates",
    "explore.outliers": "find_outliers",
    "explore.results": "Cluster ClusterReport Map Member Outlier",
    "finetune.benchmark": "FinetuneBenchReport run_finetune_bench",
    "finetune.report": "FinetuneReport",
    "finetune.run": "finetune_model",
    "finetune.settings": "FinetuneSettings read_settings",
    "finetune.tune": "tune_model",
    "finetune.tune_report": "TuneReport TuneTrial",
    "images.decode": "decode_image",
    "images.drawn": "draw_photos",
    "interchange.export": "ExportReport export_index",
    "interchange.import_vectors": "ImportReport import_vectors",
    "models.backbone": "Backbone load_backbone",
    "models.embed_files": "embed_photos",
    "models.embedder": "Embedder MeanColourEmbedder NetworkEmbedder",
    "models.library": "import_model known_models model_info",
    "report.clusters_page": "write_clusters_page",
    "report.clusters_png": "write_clusters_png",
    "report.comparison_page": "write_comparison_page",
    "report.duplicates_page": "write_duplicates_page",
    "report.evaluation_page": "write_evaluation_page",
    "report.map_page": "write_map_page",
    "report.map_png": "write_map_png",
    "report.search_page": "write_search_page",
    "report.tuning_page": "write_tuning_page",
    "search.benchmark": "run_search_bench",
    "search.recall_certificate": "Certificate",
    "search.results": "Match QueryMatches SearchBenchReport SearchBenchRow",
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'embedtool' has no attribute {name!r}")
    return getattr(import_module(f"embedtool.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
