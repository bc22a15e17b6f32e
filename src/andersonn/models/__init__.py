"""Networks that read graph images: cells, encoder, head."""

from andersonn.models.batch import ImageBatch, row_batches
from andersonn.models.config import ModelConfig, SolverConfig
from andersonn.models.convolution_cell import ConvolutionCell
from andersonn.models.ensemble import Ensemble, lead, members_of, network_of
from andersonn.models.kernel_layer import KernelLayer
from andersonn.models.last_layer import KernelNetwork
from andersonn.models.message_cell import MessageCell
from andersonn.models.network import QUANTILES, EquilibriumNetwork, Output
from andersonn.models.stack import Stack

__all__ = [
    "QUANTILES",
    "ConvolutionCell",
    "Ensemble",
    "EquilibriumNetwork",
    "ImageBatch",
    "KernelLayer",
    "KernelNetwork",
    "MessageCell",
    "ModelConfig",
    "Output",
    "SolverConfig",
    "Stack",
    "lead",
    "members_of",
    "network_of",
    "row_batches",
]
